"""Tests of environment.py: which Stripe the local stack pays at."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def has_fake_stripe(env_text):
    """What the stack with that .env says; its own process, since paths are read once."""
    with tempfile.TemporaryDirectory() as state:
        (pathlib.Path(state) / ".env").write_text(env_text)
        done = subprocess.run(
            [sys.executable, "-B", "-c",
             "import environment; print(environment.has_fake_stripe())"],
            env=os.environ | {"GATEHOUSE_STATE": state}, cwd=HERE, text=True, check=True,
            capture_output=True)
        return done.stdout.strip() == "True"


class StripeTest(unittest.TestCase):
    def test_without_a_key_there_is_a_fake_one(self):
        self.assertTrue(has_fake_stripe(""))
        self.assertTrue(has_fake_stripe("STRIPE_SECRET_KEY=\n"))

    def test_a_key_is_a_real_one_wherever_it_stands(self):
        self.assertFalse(has_fake_stripe("STRIPE_SECRET_KEY=sk_test_1\n"))
        self.assertFalse(has_fake_stripe("STRIPE_SECRET_KEY_FILE=/run/secrets/stripe\n"))

    def test_nobody_needs_one(self):
        self.assertFalse(has_fake_stripe("STRIPE_FAKE=false\n"))


if __name__ == "__main__":
    unittest.main()
