"""Against a real API server, with a kubelet of ours that gives every Pod the fate that the test wants."""
