"""The cluster's side: watches objects, asks the tuner, and carries out its plans. The only layer that knows Kubernetes."""
