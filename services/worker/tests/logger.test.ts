import { expect, test } from '@jest/globals';
import { fieldsOf } from '../src/logger.ts';

test('an error is logged without what a library hangs on it', () => {
  const cause = new Error('no route');
  const client = { secretKey: 4711, connectionParameters: { password: 'canary' } };
  const error = Object.assign(new TypeError('away', { cause }), { code: '57P01', client });
  const fields = fieldsOf(error);
  expect(fields).toMatchObject({ type: 'TypeError', code: '57P01' });
  expect(fields).toHaveProperty('message', expect.stringContaining('no route'));
  expect(JSON.stringify(fields)).not.toMatch(/4711|canary/);
});

test('what is no error is logged as it is', () => {
  expect(fieldsOf('away')).toBe('away');
});
