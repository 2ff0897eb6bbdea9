import { stripTypeScriptTypes } from 'node:module';

// The tests run the same source as production: Node's own type stripping, no compiler.
export default { process: (source) => ({ code: stripTypeScriptTypes(source) }) };
