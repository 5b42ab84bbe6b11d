"""Metrics collectors. Katib puts a volume where the trial writes its file; here the trial is told where to write."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from tuning_operator.api.errors import closest, quoted
from tuning_operator.api.template import VOLUME
from tuning_operator.katib import experiment
from tuning_operator.katib.findings import Findings
from tuning_trial import lines

PATH = "spec.metricsCollectorSpec"
KINDS = ("StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push", "None")
FORMAT = f"{PATH}.source.filter.metricsFormat"
FILE, FOLDER = "$(TUNING_METRICS_FILE)", "$(TUNING_TENSORBOARD_DIR)"


def convert(given: experiment.MetricsCollector, pod: dict[str, Any] | None, found: Findings) -> dict[str, Any]:
    """Where metrics come from. `pod` is the trial's template, in which a path may have to be replaced."""
    source = given.source or experiment.Source()
    kind = given.collector.kind
    if kind != "Custom" and given.collector.custom_collector is not None:
        found.warn(f"{PATH}.collector.customCollector", f"not used by the collector {kind}")
    match kind:
        case "StdOut":
            _unused(source, kind, found, "file_system_path", "http_get")
            return {"source": "stdout", "format": "text", **_pattern(source, found)}
        case "File":
            _unused(source, kind, found, "http_get")
            return _file(source, pod, found)
        case "TensorFlowEvent":
            return _events(source, pod, found)
        case "PrometheusMetric":
            return _prometheus(source, found)
        case "Push":
            mend = "report with tuning_trial.report instead of katib.report_metrics, and use the collector File"
            found.error(f"{PATH}.collector.kind", "trials report to Katib's database", mend)
        case "Custom" | "None":
            mend = "let the trial print its metrics, or write them to a file"
            found.error(f"{PATH}.collector.kind", f"a collector of kind {kind} reports to Katib's database", mend)
        case _:
            found.error(f"{PATH}.collector.kind", f"{quoted(kind)} is no collector", closest(kind, KINDS))
    return {}


def _unused(source: experiment.Source, kind: str, found: Findings, *names: str) -> None:
    for name in names:
        if getattr(source, name) is not None:
            field = experiment.Source.model_fields[name].alias
            found.warn(f"{PATH}.source.{field}", f"not used by the collector {kind}")


def _pattern(source: experiment.Source, found: Findings) -> dict[str, str]:
    patterns = source.filter.metrics_format if source.filter else []
    for pattern in patterns:
        try:
            lines.compiled(pattern)
        except lines.ConfigurationError as error:
            message, _, mend = str(error).partition("; ")
            found.error(FORMAT, message.replace("metrics.pattern", quoted(pattern), 1), mend)
    if len(patterns) > 1:
        found.error(FORMAT, "only one expression can be used", "join them, or print all metrics alike")
    return {"pattern": patterns[0]} if patterns else {}


def _path(source: experiment.Source, default: str, kind: str, found: Findings) -> PurePosixPath:
    given = source.file_system_path or experiment.FileSystemPath()
    path = f"{PATH}.source.fileSystemPath"
    if given.kind not in ("", kind):
        found.error(f"{path}.kind", f"{quoted(given.kind)} is not what this collector reads", f"write {kind}")
    result = PurePosixPath(given.path or default)
    if not result.is_absolute() or result.name == "":
        found.error(f"{path}.path", f"{quoted(given.path)} is no absolute path", "begin it with /")
    return result


def _file(source: experiment.Source, pod: dict[str, Any] | None, found: Findings) -> dict[str, Any]:
    path = _path(source, experiment.FILE, "File", found)
    form = (source.file_system_path.format if source.file_system_path else "") or "TEXT"
    if form not in ("TEXT", "JSON"):
        found.error(f"{PATH}.source.fileSystemPath.format", f"{quoted(form)} is no format", "write TEXT or JSON")
    if form == "JSON" and source.filter is not None:
        found.error(f"{PATH}.source.filter", "a filter is for the format TEXT", "remove it")
        return {}
    result = {"source": "file", "path": path.name, "format": form.lower(), **_pattern(source, found)}
    if pod is not None and not _replaced(pod, path, FILE):
        _mount(pod, path, found)
    return result


def _mount(pod: dict[str, Any], path: PurePosixPath, found: Findings) -> None:
    """Mounts the volume for metrics where the trial writes, as Katib does."""
    field = f"{PATH}.source.fileSystemPath.path"
    if path.parent == PurePosixPath("/"):
        mend = "name it in the command, or write to where TUNING_METRICS_FILE or TUNING_TENSORBOARD_DIR says"
        found.error(field, f"{path} is not in the command, and no volume can be mounted at /", mend)
        return
    trial = pod["spec"]["containers"][0]
    mount = {"name": VOLUME, "mountPath": str(path.parent)}
    trial["volumeMounts"] = [*(trial.get("volumeMounts") or []), mount]
    message = f"{path} is not in the command: the volume for metrics is mounted at {path.parent} as well"
    found.warn(field, message, "on one machine nothing can be mounted: better name the path in the command")


def _replaced(pod: dict[str, Any], path: PurePosixPath, variable: str, *, inside: bool = False) -> bool:
    """Puts a variable in the place of the path, also of what is inside of it; whether there was any."""
    end = r"(?![\w.-])" if inside else r"(?![\w./-])"
    mention = re.compile(rf"(?<![\w./-]){re.escape(str(path))}{end}")
    trial, count = pod["spec"]["containers"][0], 0

    def replace(text: str) -> str:
        nonlocal count
        text, times = mention.subn(variable, text)
        count += times
        return text

    for key in ("command", "args"):
        if isinstance(trial.get(key), list):
            trial[key] = [replace(word) if isinstance(word, str) else word for word in trial[key]]
    for entry in trial.get("env") or []:
        if isinstance(entry, dict) and isinstance(entry.get("value"), str):
            entry["value"] = replace(entry["value"])
    return count > 0


def _events(source: experiment.Source, pod: dict[str, Any] | None, found: Findings) -> dict[str, Any]:
    path = _path(source, experiment.EVENTS, "Directory", found)
    if source.file_system_path and source.file_system_path.format:
        found.error(f"{PATH}.source.fileSystemPath.format", "event files have no format", "remove it")
    if pod is not None and not _replaced(pod, path, FOLDER, inside=True):
        _mount(pod, path, found)
        return {"source": "tensorboard", "path": path.name}
    return {"source": "tensorboard"}


def _prometheus(source: experiment.Source, found: Findings) -> dict[str, Any]:
    given = source.http_get or {}
    port, path = given.get("port", experiment.PROMETHEUS_PORT), given.get("path", experiment.PROMETHEUS_PATH)
    for name in sorted(given.keys() - {"port", "path", "host", "scheme"}):
        found.warn(f"{PATH}.source.httpGet.{name}", "not used by the collector PrometheusMetric")
    if not (str(port).isdecimal() and 0 < int(port) < 65536):
        found.error(f"{PATH}.source.httpGet.port", f"{port!r} is no port", "write a number from 1 to 65535")
        return {}
    if not str(path).startswith("/"):
        found.error(f"{PATH}.source.httpGet.path", f"{quoted(str(path))} is no path", "begin it with /")
    return {"source": "prometheus", "endpoint": {"port": int(port), "path": str(path)}}
