"""What can be set from outside; cloud.py lists it for people."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from emulator import free_port
from prerequisites import ROOT
from say import Trouble


@dataclass(frozen=True)
class Settings:
    """One local cloud's settings."""

    port: int
    state: Path
    foreign_carrier: str | None
    media_hosts: str | None
    account_sid: str
    auth_token: str
    parameters: dict[str, str | int]  # of template.yaml

    @staticmethod
    def read(for_tests: bool) -> "Settings":
        """From the environment. Tests get a free port and a folder of their own."""
        lease = _whole("LOCK_LEASE_SECONDS", 60)
        return Settings(
            port=free_port() if for_tests else _whole("PORT", 4566),
            state=ROOT / (os.environ.get("STATE_DIR") or (".local/test" if for_tests else ".local")),
            foreign_carrier=(os.environ.get("CARRIER_URL") or "").rstrip("/") or None,
            media_hosts=os.environ.get("CARRIER_MEDIA_HOSTS") or None,
            account_sid=os.environ.get("TWILIO_ACCOUNT_SID") or f"AC{secrets.token_hex(16)}",
            auth_token=os.environ.get("TWILIO_AUTH_TOKEN") or secrets.token_hex(16),
            parameters={
                "LockLeaseSeconds": lease,
                "LockRenewSeconds": max(1, lease // 3),
                "LockIdlePromptSeconds": _whole("LOCK_IDLE_PROMPT_SECONDS", 180),
                "LockIdleReleaseSeconds": _whole("LOCK_IDLE_RELEASE_SECONDS", 60),
                "LocksPerUser": _whole("LOCKS_PER_USER", 5),
                "ReconcileGraceSeconds": _whole("RECONCILE_GRACE_SECONDS", 300),
                "RegistrationPollSeconds": _whole("REGISTRATION_POLL_SECONDS", 30),
                "RegistrationRetrySeconds": 20,
                "PurchaseGraceSeconds": 60,
                "KeywordReplies": os.environ.get("KEYWORD_REPLIES") or "product",
                "BrandSid": "BN00000000000000000000000000000000",
                "MailFrom": "no-reply@shared-inbox.example",
                "SendRetrySeconds": 25,  # just above the sender's timeout: nobody wants to wait for two minutes here
                "TokenHours": 24,
                "MediaRetrySeconds": 30,
                "CorsOrigins": "http://localhost:3000,http://127.0.0.1:3000",
            },
        )


def _whole(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise Trouble(f"{name} must be a whole number from 1, not {text!r}")
    return int(text)


