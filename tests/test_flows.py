"""The three flows of the architecture, through the frontend, on the running system."""

import csv
import gzip
import io
import json

import httpx2

from harness import System, await_job, new_user, start_export


def test_the_read_flow_fills_the_cache_and_a_write_empties_it(admin: httpx2.Client) -> None:
    """A list is read from the database once, then from the cache, and is fresh after a write."""
    query: dict[str, str | int] = {"q": new_user()["name"], "limit": 5}
    first = admin.get("/users", params=query)
    second = admin.get("/users", params=query)
    assert "fwd=miss" in first.headers["Cache-Status"]
    assert "hit" in second.headers["Cache-Status"]
    assert first.content == second.content

    created = new_user()
    assert admin.post("/users", json=created).status_code == 201
    found = admin.get("/users", params={"q": created["email"]})
    assert [user["email"] for user in found.json()["items"]] == [created["email"]]


def test_the_job_flow_ends_with_a_file_of_every_user(
    system: System, admin: httpx2.Client, users: int
) -> None:
    """An export runs in the worker, tells its progress, and its file holds one row for each user."""
    job = start_export(admin, compression="gzip")
    done = await_job(admin, job["id"])
    assert (done["status"], done["error"]) == ("succeeded", None)

    expected = int(system.sql("SELECT count(*) FROM users"))
    assert done["result"]["rows"] == done["progress"]["done"] == expected > users
    redirect = admin.get(f"/jobs/{job['id']}/download")
    assert redirect.status_code == 307
    file = httpx2.get(redirect.headers["Location"])
    assert len(file.content) == done["result"]["bytes"]
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(file.content).decode())))
    assert len(rows) == expected
    assert len({row["id"] for row in rows}) == expected
    assert set(rows[0]) == {"id", "email", "name", "role", "is_active", "created_at"}


def test_an_export_as_json_lines_is_plain_and_complete(
    system: System, admin: httpx2.Client
) -> None:
    """Each line of an uncompressed JSON Lines export is one user as an object."""
    job = start_export(admin, format="jsonl", compression="none")
    assert await_job(admin, job["id"])["status"] == "succeeded"
    link = admin.get(f"/jobs/{job['id']}/download", headers={"Accept": "application/json"}).json()[
        "url"
    ]
    lines = httpx2.get(link).text.splitlines()
    assert len(lines) == int(system.sql("SELECT count(*) FROM users"))
    assert system.settings["ADMIN_EMAIL"] in {json.loads(line)["email"] for line in lines}


def test_the_browser_is_told_of_progress_and_end(admin: httpx2.Client, users: int) -> None:
    """The event stream through the frontend brings the running job and its end, unbuffered."""
    assert users
    with admin.stream("GET", "/events", timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: ready"
        job = start_export(admin)
        seen = []
        for line in lines:
            if line.startswith("data:") and line != "data:":
                told = json.loads(line[5:])
                if isinstance(told, dict) and told.get("id") == job["id"]:
                    seen.append(told["status"])
                    if told["status"] == "succeeded":
                        break
    assert "running" in seen


def test_the_login_flow_gives_tokens_that_rotate_and_end(system: System) -> None:
    """Signing in gives both tokens; a refresh token serves once; signing out ends the session."""
    with system.client() as client:
        credentials = {
            key: system.settings[f"ADMIN_{key.upper()}"] for key in ("email", "password")
        }
        tokens = client.post("/auth/login", json=credentials).json()
        assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 1800)
        # Without the cookie, so that the token of the body is what counts.
        client.cookies.clear()
        old = {"refresh_token": tokens["refresh_token"]}
        new = client.post("/auth/refresh", json=old).json()
        client.headers["Authorization"] = f"Bearer {new['access_token']}"
        client.cookies.clear()
        assert client.get("/auth/me").json()["email"] == system.settings["ADMIN_EMAIL"]
        assert client.post("/auth/logout").status_code == 204
        assert client.get("/auth/me").status_code == 401
        assert (
            client.post("/auth/refresh", json={"refresh_token": new["refresh_token"]}).status_code
            == 401
        )


def test_a_viewer_may_read_but_not_write(system: System, admin: httpx2.Client) -> None:
    """A role's missing permission is refused with words, on every route that needs it."""
    viewer = new_user("viewer")
    assert admin.post("/users", json=viewer).status_code == 201
    with system.client(viewer["email"], viewer["password"]) as client:
        assert client.get("/users").status_code == 200
        refused = client.post("/users", json=new_user())
        assert refused.status_code == 403
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["detail"]
