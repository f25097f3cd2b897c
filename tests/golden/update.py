"""Writes the golden files anew; `make golden` calls it where a change is meant."""

import json
from pathlib import Path

from service.app import create_app
from service.settings import Settings

OPENAPI = Path(__file__).with_name("openapi.json")


def main() -> None:
    OPENAPI.write_text(json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
