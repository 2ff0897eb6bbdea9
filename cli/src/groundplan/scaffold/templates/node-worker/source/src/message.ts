import { Ajv, type JSONSchemaType } from 'ajv';

/** What the worker is asked for. The compiler refuses a schema that says anything else. */
export interface Message {
  /** Names the work: the same for a message that comes twice. */
  readonly id: string;
  readonly text: string;
}

const schema: JSONSchemaType<Message> = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'text'],
  properties: {
    id: { type: 'string', minLength: 1 },
    text: { type: 'string' },
  },
};

const ajv = new Ajv();
const isMessage = ajv.compile(schema);

/** @throws {Error} that says what is wrong with the body of a message. */
export function parseMessage(body: Buffer): Message {
  const value: unknown = JSON.parse(body.toString());
  if (isMessage(value)) return value;
  throw new Error(ajv.errorsText(isMessage.errors, { dataVar: 'message' }));
}
