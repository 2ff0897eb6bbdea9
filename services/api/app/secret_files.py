"""Settings from files: NAME_FILE is the path of a file that holds the value of NAME."""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource, SettingsError


class SecretFileError(SettingsError):
    """What is wrong with each NAME_FILE: variable and path, never a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the files that Compose, Swarm and Kubernetes mount for secrets."""

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file for a field, or None where no file is named."""
        name = field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise ValueError(f"{name} and {name}_FILE are both set: keep one of them")
        return _read(f"{name}_FILE", Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values of all fields whose file is named; raises SecretFileError."""
        values: dict[str, str] = {}
        problems: list[str] = []
        for field_name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, field_name)
            except ValueError as error:
                problems.append(str(error))
            else:
                if value is not None:
                    values[field_name] = value
        if problems:
            raise SecretFileError(problems)
        return values


def _read(variable: str, path: Path) -> str:
    try:
        value = path.read_text().removesuffix("\n")
    except OSError as error:
        raise ValueError(f"{variable}: {path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {path} is no UTF-8 text") from None
    if not value:
        raise ValueError(f"{variable}: {path} is empty")
    return value
