"""What `gp check --live` finds; `groundplan.observe` looks for it in the traffic."""

from groundplan.check.finding import Level

ID = "flow-seen"
TITLE = "Calls of the running system are declared"
WHY = "A call that no document knows is a dependency that nobody planned."
FIX = "Add the call to docs/architecture/flows.yaml, or take it out of the code."
LEVEL = Level.ERROR
