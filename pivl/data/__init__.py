"""Pictures, people, cameras and part maps: from a benchmark's files to batches on the training device."""
