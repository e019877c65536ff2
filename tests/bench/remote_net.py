"""The network of tests/bench/remote.py, the server behind it, and what went over it."""

import json
import os
import re
import shutil
import subprocess
import sys

SERVICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "services")


class Server:
    """s3rver and the proxy before it."""

    def __init__(self, work, delay, rate):
        self.dir = os.path.join(work, "s3rver")
        self.control = os.path.join(work, "control")
        self.log = os.path.join(work, "requests.log")
        subprocess.run([os.path.join(SERVICES, "s3rver.sh"), "install"], check=True, stdout=subprocess.DEVNULL)
        self.running = True
        text = subprocess.run(
            [os.path.join(SERVICES, "s3rver.sh"), "start", self.dir], check=True, stdout=subprocess.PIPE
        ).stdout.decode()
        self.env = dict(re.findall(r"^export (\w+)=(.*)$", text, re.M))
        self.certificate, key = self.make_certificate(work)
        self.proxy = subprocess.Popen(
            [sys.executable, os.path.join(SERVICES, "proxy.py"), "--target", self.env["S3_PORT"], "--http"]
            + ["--control", self.control, "--log", self.log, "--tls", self.certificate, key],
            stdout=subprocess.PIPE,
        )
        self.port = self.proxy.stdout.readline().split()[1].decode()
        self.tell("set", f"delay_ms={delay}", f"rate={rate}M")

    @staticmethod
    def make_certificate(work):
        """With TLS, as over the internet; and without it restic signs bodies in a way that s3rver does not take apart."""
        certificate, key = os.path.join(work, "cert.pem"), os.path.join(work, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return certificate, key

    def tell(self, *words):
        done = subprocess.run(
            [sys.executable, os.path.join(SERVICES, "tell.py"), self.control, *words], check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    def mark(self):
        """Where the log of requests ends now."""
        return os.path.getsize(self.log)

    def since(self, mark):
        with open(self.log, "rb") as f:
            f.seek(mark)
            lines = [json.loads(line) for line in f.read().decode().splitlines()]
        return Requests([line for line in lines if "method" in line])

    def stop(self):
        if self.running:
            self.proxy.terminate()
            self.proxy.wait()
            subprocess.run([os.path.join(SERVICES, "s3rver.sh"), "stop", self.dir], check=False)
            shutil.rmtree(self.dir, ignore_errors=True)
        self.running = False


class Requests:
    """What went over the network between two moments."""

    def __init__(self, lines):
        gets = [line for line in lines if line["method"] == "GET"]
        self.count = len(lines)
        self.down = sum(line["down"] for line in lines)
        self.up = sum(line["up"] for line in lines)
        self.objects = len({line["target"].partition("?")[0] for line in gets if "list-type" not in line["target"]})
        bodies = [line["down"] for line in gets if "list-type" not in line["target"] and line["status"] in (200, 206)]
        self.mean = sum(bodies) / len(bodies) if bodies else 0
