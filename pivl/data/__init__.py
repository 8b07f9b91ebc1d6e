"""Pictures, people, cameras and part maps as tensors, in batches.

Door: pivl.data.datasets.catalog.load for data on disk; pivl.data.store.Store for batches on a device.
Example: `load("market1501", Path("data"), (256, 128)).train.image.shape`
"""
