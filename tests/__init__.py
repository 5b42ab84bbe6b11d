"""Tests, in layers: unit (pure), integration (a real API server with our own kubelet), e2e (a real cluster)."""
