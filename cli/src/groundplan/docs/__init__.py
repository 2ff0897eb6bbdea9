"""Draws the architecture from the Compose files and the declared flows, and finds where documents drifted."""

from groundplan.docs.document import Drift as Drift
from groundplan.docs.document import drift as drift
from groundplan.docs.document import write as write
