#!/usr/bin/env python3
"""An issuer of tokens for the Kafka tests: only the token endpoint of OpenID Connect's client credentials.

POST /token issues a JWT (RS256) for the subject to a client that sends the client id and secret (HTTP basic authentication). GET
/issued returns how many tokens it has issued. It reads the secret from a file for each request, so that a test can change it. It
prints its URL when it listens, and ends when its standard input ends.

example: issuer.py --key issuer.key --client hookgate --secret-file secret --subject writer --lifetime 10
"""

import argparse
import base64
import hmac
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(arguments):
    """Returns a JWT that the key set of the brokers verifies."""
    now = int(time.time())
    claims = {
        "iss": "https://issuer.test",
        "aud": "kafka",
        "sub": arguments.subject,
        "iat": now,
        "exp": now + arguments.lifetime,
        "jti": str(time.monotonic_ns()),
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": "test"}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    command = ["openssl", "dgst", "-sha256", "-sign", arguments.key, "-binary"]
    signature = subprocess.run(command, input=signed.encode(), stdout=subprocess.PIPE, check=True).stdout
    return f"{signed}.{base64url(signature)}"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    issued = 0

    def do_GET(self):
        self.answer(200 if self.path == "/issued" else 404, Handler.issued)

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        arguments = self.server.arguments
        if self.path != "/token" or form.get("grant_type") != ["client_credentials"]:
            self.answer(400, {"error": "invalid_request"})
        elif form.get("scope", [None]) != [arguments.scope]:
            self.answer(400, {"error": "invalid_scope"})
        elif not self.is_the_client(arguments):
            self.answer(401, {"error": "invalid_client", "error_description": "the client is not known by this secret"})
        else:
            answer = {"access_token": token(arguments), "token_type": "Bearer", "expires_in": arguments.lifetime}
            Handler.issued += 1
            self.answer(200, answer)

    def is_the_client(self, arguments):
        secret = Path(arguments.secret_file).read_text()
        expected = "Basic " + base64.b64encode(f"{arguments.client}:{secret}".encode()).decode()
        return hmac.compare_digest(self.headers.get("Authorization", ""), expected)

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Logs nothing, because the tests ask for what they need to know."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", required=True, help="the private key that signs, as PEM")
    parser.add_argument("--client", required=True, help="the client id")
    parser.add_argument("--secret-file", required=True, help="the file whose exact content is the client's secret")
    parser.add_argument("--subject", required=True, help="the user that the tokens are for")
    parser.add_argument("--lifetime", type=int, required=True, help="how long the tokens are valid, in seconds")
    parser.add_argument("--scope", help="the scope that a client must ask for; without this flag it must ask for none")
    parser.add_argument("--certificate", help="use HTTPS with this certificate and key, in one PEM file")
    parser.add_argument("--port", type=int, default=0, help="listen on this port instead of a free one")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.arguments = arguments
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if arguments.certificate else "http"
    print(f"{scheme}://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
