"""The parts of fine-tuning, see `zoo.transfer.finetune`."""
