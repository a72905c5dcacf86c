#!/usr/bin/env python
"""``python example_project/manage.py demo`` shows the main job; every other command of Django works too."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
    try:
        import drf_spectacular_sidecar  # noqa: F401
        from django.core.management import execute_from_command_line

        import django_vzaps  # noqa: F401
    except ModuleNotFoundError as error:
        packages = "--editable '.[openapi,testing]' 'drf-spectacular[sidecar]'"
        sys.exit(f"{error}. In the checkout run: python -m pip install {packages}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
