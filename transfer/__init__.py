"""Features, probes and fine-tuning."""
