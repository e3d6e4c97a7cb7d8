"""intq.bench: kernel and model benchmarks beside their peers."""
