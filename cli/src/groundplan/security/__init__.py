"""The supply chain: known vulnerabilities, licences and bills of materials of all that is locked."""
