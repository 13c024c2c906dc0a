"""Everything is declared in pyproject.toml; here only the run files of config/ are put into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPresets(build_py):
    """An installed package finds config/shapes/shapes_split0.yaml without a checkout, as sccan/presets/shapes/..."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("config", Path(self.build_lib) / "sccan" / "presets", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithPresets})
