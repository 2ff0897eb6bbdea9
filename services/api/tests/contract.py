"""Drives the running API from its own OpenAPI document, by schemathesis."""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Flaky, FlakyStrategyDefinition, Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.people import People
from tests.running import Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
PATIENCE_S = 60
ENDLESS = ["streamEvents"]
"""Operations whose answer has no end."""


class Caller:
    """Calls every operation as somebody of a role, or as nobody, and counts the answers."""

    def __init__(self, api: Api, role: str | None) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.failures: list[Exception] = []
        self._api = api
        self._role = role
        self._loop = asyncio.get_running_loop()
        self.how: dict[str, Any] = {"base_url": api.url, "timeout": PATIENCE_S}
        document = api.app.openapi()
        self.schema = schemathesis.openapi.from_dict(document).exclude(operation_id=ENDLESS)
        # Each call has the person's token, or none; other tokens are other tests' business.
        self.schema.config.generation.with_security_parameters = False
        self.schema.hook("map_body")(_with_known_role)

    @property
    def succeeded(self) -> float:
        """The share of the operations that succeeded at least once."""
        tried = {operation for operation, _ in self.answers}
        done = {operation for operation, status in self.answers if status < 400}
        return len(done) / len(tried)

    async def call_each(self, examples: int) -> None:
        """Call each operation by itself, with what its schema allows and what it forbids."""
        for found in self.schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                check = seed(0)(given(case=operation.as_strategy(generation_mode=mode))(self._call))
                await self._be_somebody_new()
                with suppress(Unsatisfiable):  # what takes nothing can't be called wrongly
                    await asyncio.to_thread(_settings(examples)(check))

    async def call_in_sequence(self, sequences: int) -> None:
        """Call operations in a row, with ids of earlier answers in later requests."""
        caller = self

        class Machine(self.schema.as_state_machine()):  # type: ignore[misc] # made at run time
            def validate_response(self, response: Any, case: Any, **_: Any) -> None:
                caller.check(case, response)

            def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
                return caller.how

        for number in range(sequences):
            seed(number)(Machine)
            await self._be_somebody_new()
            run = partial(Machine.run, settings=_settings(2, stateful_step_count=12))
            # What was done before changes the answers, which Hypothesis takes for a flaw.
            with suppress(Flaky, FlakyStrategyDefinition):
                await asyncio.to_thread(run)
            if self.failures:
                raise self.failures[0]

    def check(self, case: Any, response: Any) -> None:
        """Note an answer; raises what is wrong with it."""
        self.answers[case.operation.label, response.status_code] += 1
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            # The session may have been ended, and the rest of the sequence would see nothing else.
            asyncio.run_coroutine_threadsafe(self._be_somebody_new(), self._loop).result()
        try:
            case.validate_response(response, checks=CHECKS)
        except Exception as failure:
            self.failures.append(failure)
            raise

    def _call(self, case: Any) -> None:
        self.check(case, case.call(**self.how))

    async def _be_somebody_new(self) -> None:
        """Go on as another person of the role, in a session of their own."""
        if self._role:
            token = (await People(self._api).create(self._role)).token
            self.how["headers"] = {"Authorization": f"Bearer {token}"}


def _with_known_role(_context: Any, body: Any) -> Any:
    """Most often a role that there is: a user of no known role is never made."""
    role = body.get("role") if isinstance(body, dict) else None
    # What can't be a role is to be refused.
    if isinstance(role, str) and len(role) < 10 and re.fullmatch(r"[a-z][a-z0-9_-]*", role):
        return {**body, "role": "viewer"}
    return body


def _settings(examples: int, **more: Any) -> hypothesis_settings:
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,
    )
