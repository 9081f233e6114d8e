"""Superset where `make superset` starts it: one process on one machine, metadata in SQLite, nothing sent home."""

import os
from pathlib import Path

_HOME = Path(os.environ["SUPERSET_HOME"])

SECRET_KEY = (_HOME / "secret_key").read_text()  # made by start.py at its first start
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME / 'superset.db'}"

# What is in tables is hostile. Charts that are tables show HTML as text (`allow_render_html: false` in each); this is
# for what people write into text boxes.
HTML_SANITIZATION = True
FEATURE_FLAGS = {"ESCAPE_MARKDOWN_HTML": True}

# Pages load nothing from elsewhere, and cannot: Superset's own would count themselves at scarf.sh.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

_CACHE = {"CACHE_TYPE": "SupersetMetastoreCache", "CACHE_DEFAULT_TIMEOUT": 86_400}
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}  # a file is asked in no time, and Athena's results may be new
FILTER_STATE_CACHE_CONFIG = _CACHE
EXPLORE_FORM_DATA_CACHE_CONFIG = _CACHE
RATELIMIT_ENABLED = False
