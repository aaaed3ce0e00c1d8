"""Every test sees eight simulated CPU devices; set before JAX is imported anywhere."""

import os

os.environ["JAX_PLATFORMS"] = os.environ.get("JAXCNN_TEST_PLATFORM", "cpu")
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
