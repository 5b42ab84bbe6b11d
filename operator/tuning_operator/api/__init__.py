"""The API: what a manifest may say and what the status answers. Nothing here knows Kubernetes' client or any I/O."""
