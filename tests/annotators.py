"""People who use Label Studio, each signed in with a session like a browser's."""

import itertools
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from examples.accounts import sign_in, sign_up
from tests.fakes import BLAME, NEUTRAL, PRAISE
from tests.served_orders import ServedOrder
from tests.servers import OWNER, BackendServer, eventually


def reviews(count: int) -> dict[str, str]:
    """Distinct short reviews in the words of the tiny encoder, with their labels: pos and neg in turn."""
    pairs = [f"{a} {b}" for a, b in itertools.permutations(NEUTRAL, 2)]
    sides = zip(itertools.product(pairs, PRAISE), itertools.product(pairs, BLAME), strict=True)
    told = {
        f"{adjective} {pair}": "pos" if adjective in PRAISE else "neg" for side in sides for pair, adjective in side
    }
    assert count <= len(told)
    return dict(itertools.islice(told.items(), count))


def choices_config(labels: Sequence[str], *, choice: str = "single-radio") -> str:
    """A labeling config that asks one question about a text."""
    items = "".join(f'<Choice value="{label}"/>' for label in labels)
    return (
        '<View><Text name="text" value="$text"/>'
        f'<Choices name="intent" toName="text" choice="{choice}">{items}</Choices></View>'
    )


class Person:
    """Somebody who is signed in.

    Attributes:
        projects: those that this person created and did not delete.
    """

    def __init__(self, http: httpx.Client, email: str, password: str) -> None:
        self.http = http
        self.email = email
        self.password = password
        self.projects: list[int] = []
        self._token = ""

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """An API call that must succeed; returns its JSON."""
        answer = self.http.request(method, path, json=body, params=params or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def personal_access_token(self) -> str:
        """The personal access token, made once: Label Studio allows a person one at a time."""
        self._token = self._token or str(self.call("POST", "/api/token/", {})["token"])
        return self._token

    def create_project(self, title: str, config: str, texts: Sequence[str] = (), **fields: Any) -> int:
        """Create a project with texts to label; returns its id."""
        project_id = int(
            self.call("POST", "/api/projects/", {"title": title[:50], "label_config": config, **fields})["id"]
        )
        self.projects.append(project_id)
        if texts:
            self.import_texts(project_id, texts)
        return project_id

    def import_texts(self, project_id: int, texts: Sequence[str]) -> None:
        """Upload texts as tasks."""
        self.import_tasks(project_id, [{"text": text} for text in texts])

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Upload tasks."""
        answer = self.call("POST", f"/api/projects/{project_id}/import", list(tasks))
        assert answer["task_count"] == len(tasks)

    def delete_project(self, project_id: int) -> None:
        """Delete a project.

        Label Studio answers 500 and keeps the project if a prediction arrives meanwhile; it is deleted again then.
        """

        def is_gone() -> bool:
            answer = self.http.delete(f"/api/projects/{project_id}/")
            assert answer.is_success or answer.status_code in (404, 500), f"{answer.status_code} {answer.text[:500]}"
            return answer.status_code != 500

        eventually(is_gone, f"project {project_id} to be deleted", 60.0, 0.5)
        self.projects.remove(project_id)

    def project(self, project_id: int) -> dict[str, Any]:
        """The project as Label Studio has it now."""
        return dict(self.call("GET", f"/api/projects/{project_id}/"))

    def connect(self, project_id: int, url: str, **extra_params: Any) -> int:
        """Connect a backend with extra params, as the dialog does; returns Label Studio's id of the backend."""
        body = {"project": project_id, "url": url, "title": "Shortlist", "extra_params": json.dumps(extra_params)}
        return int(self.call("POST", "/api/ml/", body)["id"])

    def next_task(self, project_id: int) -> dict[str, Any] | None:
        """The task that Label Studio hands out; None when no task is left."""
        answer = self.http.get(f"/api/projects/{project_id}/next")
        if answer.status_code == 404:
            return None
        assert answer.is_success, f"next: {answer.status_code} {answer.text[:500]}"
        return dict(answer.json())

    def post_annotation(self, task_id: int, *labels: str) -> httpx.Response:
        """Submit an annotation; returns the response, which may be an error."""
        result = {"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}
        return self.http.post(f"/api/tasks/{task_id}/annotations/", json={"result": [result], "lead_time": 1.0})

    def annotate(self, task_id: int, *labels: str) -> int:
        """Submit an annotation; returns its id."""
        answer = self.post_annotation(task_id, *labels)
        assert answer.status_code == 201, f"annotation: {answer.status_code} {answer.text[:500]}"
        return int(answer.json()["id"])

    def label_next(self, project_id: int, gold: Mapping[str, str | Sequence[str]], count: int) -> list[dict[str, Any]]:
        """Label the next `count` tasks with gold answers; returns the tasks as they were handed out."""
        served: list[dict[str, Any]] = []
        for _ in range(count):
            task = self.next_task(project_id)
            assert task is not None, f"nothing is left to label after {len(served)} tasks"
            answer = gold[task["data"]["text"]]
            self.annotate(task["id"], *([answer] if isinstance(answer, str) else answer))
            served.append(task)
        return served

    def label_both(self, project_id: int, gold: Mapping[str, str], count: int = 2) -> list[dict[str, Any]]:
        """Label `count` tasks or more, until two labels were given: a training needs two classes."""
        served = self.label_next(project_id, gold, count)
        while len({gold[task["data"]["text"]] for task in served}) < 2:
            served += self.label_next(project_id, gold, 1)
        return served

    def tasks(self, project_id: int) -> list[dict[str, Any]]:
        """Every task, without annotations."""
        return list(self.call("GET", "/api/tasks/", project=project_id, page_size=1000, fields="all")["tasks"])

    def predictions(self, project_id: int) -> list[dict[str, Any]]:
        """Every prediction that Label Studio holds for a project."""
        return list(self.call("GET", "/api/predictions/", project=project_id))

    def retrieve_predictions(self, project_id: int) -> Any:
        """Run the Data Manager's 'Retrieve predictions' on all tasks."""
        body = {"selectedItems": {"all": True, "excluded": []}, "filters": {"conjunction": "and", "items": []}}
        return self.call("POST", "/api/dm/actions/", body, id="retrieve_tasks_predictions", project=project_id)


@contextmanager
def signed_in(url: str, email: str = OWNER.email, password: str = OWNER.password) -> Iterator[Person]:
    """Sign in with an account."""
    with httpx.Client(base_url=url, timeout=120.0, follow_redirects=True) as http:
        sign_in(http, email, password)
        yield Person(http, email, password)


@contextmanager
def signed_up(url: str, email: str) -> Iterator[Person]:
    """Sign up a new user of the same organization."""
    password = secrets.token_hex(8)
    with httpx.Client(base_url=url, timeout=120.0, follow_redirects=True) as http:
        sign_up(http, email, password)
        yield Person(http, email, password)


def until_published(person: Person, backend: BackendServer, project_id: int, model: int = 0) -> ServedOrder:
    """Wait until no round runs or waits and Label Studio serves the published order; returns that order.

    Args:
        person: a user who can see the project.
        backend: the project's backend.
        project_id: the project.
        model: lowest accepted number of the publication's model version.
    """

    def is_published(status: dict[str, Any]) -> bool:
        return bool(status["model_version"]) and int(status["model_version"].split(".")[0]) >= model

    def is_served() -> bool:
        backend.until_settled(project_id)
        return bool(person.project(project_id)["model_version"] == backend.folder(project_id).publications.name())

    backend.until(project_id, is_published, f"project {project_id} to be published by model {model} or later")
    eventually(is_served, f"Label Studio to serve the published order of project {project_id}")
    return backend.publication(project_id)
