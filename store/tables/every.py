"""All tables: whoever needs every one of them takes METADATA from here."""

from store.tables import accounts, data, jobs, loops, uploads
from store.tables.base import Base

MODULES = (accounts, data, jobs, loops, uploads)
METADATA = Base.metadata
