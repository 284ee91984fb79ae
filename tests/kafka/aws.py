#!/usr/bin/env python3
"""Stands in for what gives credentials at Amazon: STS, the endpoint of a container, and the metadata service of a virtual machine.

POST /sts exchanges the token of the file --token-file, GET /container wants it as Authorization, and /latest/ is IMDSv2. Each answers with the
temporary key that tests/kafka/MskIam.java knows. While the file `refuse` exists, all answer 403; while `hang` exists, none answers. GET /issued returns how many keys
were issued, and GET /asked how many requests came. It prints its URL when it listens, and ends when its standard input ends.

example: aws.py --token-file token --lifetime 3600
"""

import argparse
import json
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ACCESS_KEY, SECRET, SESSION_TOKEN = "ASIAWRITER", "temporary/secret+of/the/writer", "session/token+of/the/writer=="
METADATA_TOKEN = "token-of-the-metadata-service"
ROLES = "/latest/meta-data/iam/security-credentials/"


class Handler(BaseHTTPRequestHandler):
    issued = 0
    asked = 0

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def expiration(self):
        Handler.issued += 1
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.server.arguments.lifetime))

    def written(self):
        keys = {"Code": "Success", "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET, "Token": SESSION_TOKEN}
        return json.dumps(keys | {"Expiration": self.expiration()})

    def token(self):
        return Path(self.server.arguments.token_file).read_text()

    def refused(self):
        Handler.asked += 1
        while Path("hang").exists():
            time.sleep(0.05)
        if refused := Path("refuse").exists():
            self.answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
        return refused

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.refused():
            return
        form = dict(urllib.parse.parse_qsl(body))
        wanted = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": "arn:aws:iam::123456789012:role/hookgate",
            "RoleSessionName": "hookgate",
            "WebIdentityToken": self.token(),
        }
        if self.path != "/sts" or form != wanted:
            return self.answer(400, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>")
        self.answer(
            200,
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
            f"<Credentials><SessionToken>{SESSION_TOKEN}</SessionToken><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<Expiration>{self.expiration()}</Expiration><AccessKeyId>{ACCESS_KEY}</AccessKeyId></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        )

    def do_PUT(self):
        if self.refused():
            return
        good = self.path == "/latest/api/token" and self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200 if good else 400, METADATA_TOKEN)

    def do_GET(self):
        if self.path in ("/issued", "/asked"):
            return self.answer(200, str(getattr(Handler, self.path[1:])))
        if self.refused():
            return
        if self.path == "/container" and self.headers["authorization"] == self.token():
            return self.answer(200, self.written())
        if self.headers["x-aws-ec2-metadata-token"] == METADATA_TOKEN:
            if self.path == ROLES:
                return self.answer(200, "role/of the machine")
            if self.path == ROLES + urllib.parse.quote("role/of the machine", safe=""):
                return self.answer(200, self.written())
        self.answer(401, "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--lifetime", type=int, default=3600)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.arguments = parser.parse_args()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
