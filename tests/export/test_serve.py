"""The server: answers as frostline does, batches, and refuses what is too much with the status that says so."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import uvicorn
from hypothesis import given
from PIL import Image
from starlette.testclient import TestClient

import frostline as fl
from frostline.export.activation import activation_maps
from frostline.export.bundle import Classifier, load
from frostline.export.exporting import export
from frostline.export.neighbours import FILE, features_of, read_neighbours
from frostline.export.serve.app import create_app
from frostline.export.serve.guard import Guard
from frostline.export.serve.limits import Limits
from frostline.export.serve.metrics import Metrics

LOCAL = "http://localhost"


@pytest.fixture(scope="module")
def client(run: fl.Run) -> Iterator[TestClient]:
    with TestClient(create_app(run.model), base_url=LOCAL) as client:
        yield client


def upload(path: Path) -> tuple[str, tuple[str, bytes]]:
    return "files", (path.name, path.read_bytes())


def png(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(content, "PNG")
    return content.getvalue()


def test_one_or_many_images_get_frostlines_own_answers(client: TestClient, run: fl.Run, stripes: Path) -> None:
    files = sorted((stripes / "along").iterdir())[:3]
    wanted = list(fl.predict(run.path, files))
    for count in (1, 3):
        answer = client.post("/predict", files=[upload(path) for path in files[:count]])
        assert answer.status_code == 200
        found = answer.json()["predictions"]
        assert [one["file"] for one in found] == [path.name for path in files[:count]]
        for mine, theirs in zip(found, wanted, strict=False):
            assert mine["label"] == theirs.label and mine["probabilities"] == pytest.approx(theirs.probabilities, abs=1e-5)


def test_an_unreadable_image_among_others_is_reported_in_its_place(client: TestClient, stripes: Path) -> None:
    good = sorted((stripes / "along").iterdir())[0]
    answer = client.post("/predict", files=[("files", ("<b>.png", b"no image")), upload(good)])
    first, second = answer.json()["predictions"]
    assert answer.status_code == 200 and first["label"] is None and "<b>.png cannot be decoded" in first["error"]
    assert second["label"] in ("across", "along") and "/tmp" not in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"GIF89a" + b"\xff" * 40, 422),
        (b"%PDF-1.7", 422),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", 422),
        (png(9000, 9000), 413),
    ],
)
def test_hostile_uploads_get_one_clear_sentence(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post("/predict", files=[("files", ("../../etc/x.png", content))])
    assert answer.status_code == status and isinstance(answer.json()["detail"], str)
    assert "passwd" not in answer.text and client.get("/health").status_code == 200


def test_what_is_no_upload_is_refused(client: TestClient) -> None:
    assert client.post("/predict", json={"a": 1}).status_code == 415
    assert client.post("/predict", files=[("other", ("a.png", b"x"))]).status_code == 422
    assert client.post("/predict", data={"files": "x"}, files=[("more", ("a", b"x"))]).status_code == 422
    malformed = client.post("/predict", content=b"--x\r\nno", headers={"content-type": "multipart/form-data; boundary=y"})
    assert malformed.status_code in (400, 422)
    assert client.get("/predict").status_code == 405 and client.get("/nothing").status_code == 404
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 400


def test_too_much_is_refused_before_it_is_read(run: fl.Run, stripes: Path) -> None:
    limits = Limits(file_bytes=50_000, request_bytes=100_000, files=2)
    good = sorted((stripes / "along").iterdir())[0]
    with TestClient(create_app(run.model, limits=limits), base_url=LOCAL) as client:
        assert client.post("/predict", files=[("files", ("a.png", bytes(60_000)))]).status_code == 413
        assert client.post("/predict", files=[("files", ("a.png", bytes(200_000)))]).status_code == 413
        assert client.post("/predict", files=[upload(good)] * 3).status_code == 413
        body = (bytes(30_000) for _ in range(10))  # of no declared length
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert client.post("/predict", content=body, headers=headers).status_code == 413
        assert client.post("/predict", files=[upload(good)]).status_code == 200


def test_a_body_that_never_comes_is_given_up() -> None:
    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async def reads(scope, receive, send) -> None:
        try:
            await receive()
        except Exception:  # as parsers of forms do
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    guard = Guard(reads, Limits(reading_s=0.05), Metrics())
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
    }
    asyncio.run(guard(scope, never, send))
    assert [one.get("status") for one in sent] == [408, None]


class Slow(torch.nn.Module):
    """A network that takes its time, and says how many images came together."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(pixels))
        time.sleep(0.15)
        return self.inner(pixels)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, run: fl.Run) -> Slow:
    from frostline.export.serve import app

    network = Slow(run.model)
    monkeypatch.setattr(app, "fast", lambda model: network)
    return network


def statuses(client: TestClient, path: Path, count: int) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: client.post("/predict", files=[upload(path)]).status_code, range(count)))


def test_requests_that_come_together_are_answered_together(run: fl.Run, slow: Slow, stripes: Path) -> None:
    with TestClient(create_app(run.model), base_url=LOCAL) as client:
        assert statuses(client, sorted((stripes / "along").iterdir())[0], 16) == [200] * 16
        assert sum(slow.seen) == 16 and len(slow.seen) <= 8
        text = client.get("/metrics").text
    assert 'frostline_requests_total{path="/predict",status="200"} 16.0' in text
    assert "frostline_queue_images 0.0" in text and "frostline_batch_images_sum 16.0" in text


def test_more_than_the_queue_holds_gets_503_and_nothing_else(run: fl.Run, slow: Slow, stripes: Path) -> None:
    limits = Limits(queue=2, batch=1)
    with TestClient(create_app(run.model, limits=limits), base_url=LOCAL) as client:
        found = statuses(client, sorted((stripes / "along").iterdir())[0], 16)
        assert set(found) == {200, 503} and found.count(200) >= 2
        assert statuses(client, sorted((stripes / "along").iterdir())[0], 1) == [200]


def test_an_answer_that_takes_too_long_is_503_with_a_time_to_come_back(run: fl.Run, slow: Slow, stripes: Path) -> None:
    with TestClient(create_app(run.model, limits=Limits(patience_s=0.05)), base_url=LOCAL) as client:
        answer = client.post("/predict", files=[upload(sorted((stripes / "along").iterdir())[0])])
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"


def test_the_pages_are_whole_and_ask_nobody_else(client: TestClient) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
        assert "http://" not in page.text.replace("http://www.w3.org", "") and "https://" not in page.text


def test_openapi_names_every_status(client: TestClient) -> None:
    responses = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert set(responses) == {"200", "400", "408", "413", "415", "422", "503"}


@pytest.mark.parametrize(
    ("name", "line"),
    [("timm/test_resnet", "all: freeze | head: linear"), ("timm/test_vit", "all: freeze | head: linear")],
)
def test_a_map_of_a_linear_head_is_its_weights_times_the_features(make_model, name: str, line: str) -> None:
    model = load(make_model(line, name))
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    maps = torch.tensor(activation_maps(model, pixels, [0, 1]))
    assert maps.ndim == 3 and maps.min() >= 0 and maps.max() <= 1
    if name == "timm/test_resnet":
        features = model.network.trunk((pixels / 255 - model.mean) / model.std)
        weights = model.network.head.body.weight[[0, 1]]
        wanted = torch.relu(torch.einsum("nchw,nc->nhw", features, weights))
        wanted = wanted / wanted.amax((1, 2), keepdim=True).clamp(min=1e-12)
        assert torch.allclose(maps, wanted, atol=1e-3)


def test_training_images_are_shown_only_if_they_were_asked_to_be_included(
    run: fl.Run, client: TestClient, stripes: Path, tmp_path: Path
) -> None:
    good = sorted((stripes / "along").iterdir())[0]
    (plain,) = client.post("/predict?explain=true", files=[upload(good)]).json()["predictions"]
    assert plain["neighbours"] is None and len(plain["map"]) > 1
    made = export(run.path, "model", tmp_path / "out", include_images=True)
    assert made.folder.joinpath(FILE).stat().st_mode & 0o077 == 0
    near = read_neighbours(made.folder)
    with TestClient(create_app(load(made.folder), neighbours=near), base_url=LOCAL) as shown:
        (one,) = shown.post("/predict?explain=true", files=[upload(good)]).json()["predictions"]
    first = one["neighbours"][0]
    assert len(one["neighbours"]) == 3 and first["label"] == "along" and first["similarity"] > 0.999
    assert first["picture"].startswith("data:image/jpeg;base64,")


def test_of_several_labels_the_most_probable_one_is_explained(make_model, stripes: Path) -> None:
    one = load(make_model("all: freeze | head: linear"))
    for thresholds, said in (((0.0, 0.0), "across|along"), ((1.0, 1.0), "none")):
        model = Classifier(one.network, one.spec, one.classes, one.geometry, thresholds).eval()
        with TestClient(create_app(model), base_url=LOCAL) as client:
            path = sorted((stripes / "along").iterdir())[0]
            answer = client.post("/predict?explain=true", files=[upload(path)])
        assert answer.status_code == 200
        (found,) = answer.json()["predictions"]
        assert found["label"] == said and len(found["map"]) > 1


@pytest.mark.parametrize("name", ["timm/test_resnet", "timm/test_vit"])
def test_features_of_neighbours_are_pooled_as_the_network_pools(make_model, name: str) -> None:
    model = load(make_model("all: freeze | head: linear", name))
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    found = features_of(model, pixels)
    assert found.shape == (3, model.network.head.body.in_features)
    assert torch.allclose(found.norm(dim=1), torch.ones(3))


def test_threads_do_not_grow_with_requests(client: TestClient, stripes: Path) -> None:
    good = sorted((stripes / "along").iterdir())[0]
    statuses(client, good, 8)
    before = threading.active_count()
    for _ in range(5):
        statuses(client, good, 8)
    assert threading.active_count() <= before + 1


@pytest.fixture(scope="module")
def address(run: fl.Run) -> Iterator[str]:
    """A real server on loopback, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(run.model), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.slow
def test_everything_that_its_openapi_allows_is_answered_as_it_says(address: str) -> None:
    import schemathesis
    from hypothesis import HealthCheck, settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    asked = []

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])  # what is no image is refused

        ask()
        asked.append(operation.label)
    assert {"POST /predict", "GET /health", "GET /metrics"} == set(asked)


def test_a_refused_body_is_answered_over_a_real_connection(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        connection.sendall(f"{head}Content-Length: 999999999\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
