#!/usr/bin/env python3
"""Makes tests/kafka/msk_tokens.json: signed URLs for Amazon MSK as botocore signs them, with keys that are made up.

example: python3 -m venv .work/botocore && .work/botocore/bin/pip install botocore==1.40.61 && \
         .work/botocore/bin/python tests/kafka/msk_tokens.py > tests/kafka/msk_tokens.json
"""

import datetime
import json
from unittest import mock

import botocore.auth
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CASES = [
    ("eu-central-1", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, 1440938160123),
    ("us-gov-west-1", "ASIAEXAMPLE", "another/secret+key", "FwoGZXIvYXdzEBYaD+a/b==%&~._-", 1796070845000),
    ("ap-southeast-2", "ASIAOTHER", "s", "token with blanks", 951782399999),
]


def signed(region, access_key, secret_key, session_token, milliseconds):
    time = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.timezone.utc)
    request = AWSRequest(method="GET", url=f"https://kafka.{region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"})
    credentials = Credentials(access_key, secret_key, session_token)
    # The library reads the clock in one place.
    with mock.patch.object(botocore.auth, CLOCK, return_value=time):
        SigV4QueryAuth(credentials, "kafka-cluster", region, expires=900).add_auth(request)
    return request.url


CLOCK = "get_current_datetime"

if __name__ == "__main__":
    names = ("region", "access_key", "secret_key", "session_token", "milliseconds")
    print(json.dumps([dict(zip(names, case)) | {"url": signed(*case)} for case in CASES], indent=2))
