"""Settings of every test: one thread per process, so that runs are repeatable and two cores are enough.

Examples of property tests are the same in every run, and may take as long as a busy machine needs.
"""

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

pytest_plugins = ["tests.files.loopback"]
