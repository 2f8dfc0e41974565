"""A simulated S3 that knows the five requests of obstore's client."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit


class _S3LookAlike(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: dict[str, bytes]

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse_bucket(self) -> bool:
        bucket = urlsplit(self.path).path.split("/")[1]
        status = {"gone": 404, "forbidden": 403}.get(bucket)
        if status is not None:
            self._answer(status, b"<Error><Code>NoSuchBucket</Code></Error>")
        return status is not None

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._refuse_bucket():
            self.objects[self.path] = data
            self._answer(200)

    def do_GET(self) -> None:
        if self._refuse_bucket():
            return
        if "list-type" in self.path:
            self._answer(
                200,
                b"<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>"
                b"<IsTruncated>false</IsTruncated></ListBucketResult>",
            )
        elif self.path in self.objects:
            self._answer(200, self.objects[self.path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:
        """Delete several objects; obstore also deletes a single one this way."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._refuse_bucket():
            return
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.objects.pop(f"{urlsplit(self.path).path}/{quote(key)}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_args) -> None:
        """Don't log."""


@contextmanager
def serve_s3() -> Iterator[dict[str, str]]:
    """Serve on a free port; yields the variables that configure obstore for it."""
    handler = type("Handler", (_S3LookAlike,), {"objects": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield s3_variables(server.server_port)
        server.shutdown()
        thread.join()


def s3_variables(port: int) -> dict[str, str]:
    """Return the variables that configure obstore for a local port."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "nowhere",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
