"""The cluster's side: watches objects, asks the tuner, and carries out its plans. The only layer that knows Kubernetes."""

from tuning_operator import lean

lean.set_aside("kubernetes", "kubernetes.aio")
