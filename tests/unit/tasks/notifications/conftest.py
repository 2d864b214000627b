import shutil
import ssl
import subprocess
import threading

import pytest

from tests.support.message_servers import Webhook


@pytest.fixture
def serve():
    """Serve from threads until the test is over."""
    running = []

    def start(server):
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def webhook(serve):
    return serve(Webhook())


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The paths of a certificate for this machine, and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl on PATH")
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(paths[1]), "-out", str(paths[0])),
        ],
        check=True,
        capture_output=True,
    )
    return paths


@pytest.fixture
def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
