{{- define "tuning-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tuning-operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "tuning-operator.fullname" .) }}
{{- end }}

{{- define "tuning-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tuning-operator.labels" -}}
{{- with .Values.extraLabels }}{{ toYaml . }}
{{ end -}}
{{ include "tuning-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The metadata of an object. Argument: a dict of root and name, and where they differ namespace ("" for none), labels, annotations. */}}
{{- define "tuning-operator.metadata" -}}
{{- $labels := mustMergeOverwrite (include "tuning-operator.labels" .root | fromYaml) (.labels | default dict) }}
{{- $annotations := mustMergeOverwrite (dict) .root.Values.extraAnnotations (.annotations | default dict) -}}
name: {{ .name }}
{{- with (hasKey . "namespace" | ternary .namespace .root.Release.Namespace) }}
namespace: {{ . }}
{{- end }}
labels: {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The reference of an image. Argument: a list of the values (repository, tag, digest) and the default tag. */}}
{{- define "tuning-operator.image" -}}
{{- $image := index . 0 }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default (index . 1) }}{{ end }}
{{- end }}

{{/* What Pod Security `restricted` asks of a Pod. */}}
{{- define "tuning-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* And of a container. */}}
{{- define "tuning-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Take the CEL rules out of a schema, in place: API servers older than 1.25 do not know them. */}}
{{- define "tuning-operator.dropRules" -}}
{{- if kindIs "map" . }}
{{- $_ := unset . "x-kubernetes-validations" }}
{{- range $value := . }}{{ include "tuning-operator.dropRules" $value }}{{ end }}
{{- else if kindIs "slice" . }}
{{- range $value := . }}{{ include "tuning-operator.dropRules" $value }}{{ end }}
{{- end }}
{{- end }}

{{/* All that the operator may do in a namespace. */}}
{{- define "tuning-operator.rules" -}}
- apiGroups: [tuning-operator.dev]
  resources: [tuningjobs]
  verbs: [get, list, watch]
- apiGroups: [tuning-operator.dev]
  resources: [tuningtrials]
  verbs: [get, list, watch, create]
- apiGroups: [tuning-operator.dev]
  resources: [tuningjobs/status, tuningtrials/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- if eq .Values.capacity.mode "count" }}
- apiGroups: [""]
  resources: [resourcequotas, limitranges{{ if not .Values.namespaces }}, nodes{{ end }}]
  verbs: [list, watch]
{{- end }}
{{- end }}
