"""An example of a feature."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

router = APIRouter(prefix="/greeting", tags=["greeting"])


class Greeting(BaseModel):
    """What is said."""

    text: str


@router.get("")
async def get_greeting(
    name: Annotated[str, Query(min_length=1, max_length=100)] = "world",
) -> Greeting:
    """Greet `name`."""
    return Greeting(text=f"Hello, {name}!")
