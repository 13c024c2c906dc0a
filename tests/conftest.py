"""Settings of every test: one thread per process, so that runs are repeatable and two cores are enough."""

import torch

torch.set_num_threads(1)

pytest_plugins = ["tests.files.loopback"]
