"""The release of the client."""

VERSION = "0.1.0"
