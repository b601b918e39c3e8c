"""A real MariaDB server on the loopback interface, where one is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

INSTALLED = all(shutil.which(name) for name in ("mariadbd", "mariadb-install-db"))
MISSING = "needs a MariaDB server: install mariadb-server"
_STARTS_S = 60


class Maria:
    """A running server with the database `shop`, whose user `reader` may do everything in it."""

    def __init__(self, port: int, url: str | None = None) -> None:
        """`url`: another way to it than the right one."""
        self.port = port
        self.url = url or f"mysql://reader:s3cret@127.0.0.1:{port}/shop"

    def execute(self, *statements: str) -> Any:
        """The rows of the last."""
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="reader", password="s3cret", database="shop", autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()


@contextmanager
def maria_server() -> Iterator[Maria]:
    """The server while it runs; in a folder of its own, which is removed."""
    with TemporaryDirectory(prefix="maria-", dir="/tmp") as folder:
        data = Path(folder) / "data"
        own = ["--no-defaults", f"--datadir={data}", "--user=root"]
        subprocess.run(
            ["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        setup = Path(folder) / "setup.sql"
        setup.write_text(
            "CREATE DATABASE shop CHARACTER SET utf8mb4;\nCREATE USER reader@'%' IDENTIFIED BY 's3cret';\n"
            "GRANT ALL ON shop.* TO reader@'%';\n"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        small = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"]
        server = subprocess.Popen(
            ["mariadbd", *own, *small, "--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/s.sock",
             f"--init-file={setup}", "--skip-name-resolve", f"--pid-file={folder}/pid"],
            stdout=subprocess.DEVNULL, stderr=(Path(folder) / "log").open("wb"),
        )  # fmt: skip
        try:
            maria = Maria(port)
            _wait(maria, server, Path(folder) / "log")
            yield maria
        finally:
            server.kill()
            server.wait()


def _wait(maria: Maria, server: subprocess.Popen[bytes], log: Path) -> None:
    import pymysql

    until = time.monotonic() + _STARTS_S
    while True:
        try:
            maria.execute("SELECT 1")
            return
        except pymysql.Error:
            if server.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"MariaDB did not start: {log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)
