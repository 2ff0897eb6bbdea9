export default {
  extensionsToTreatAsEsm: ['.ts'],
  // The tests wait for servers rather than compute, so more of them run at once than there are cores.
  maxWorkers: 4,
  testMatch: ['<rootDir>/tests/*.test.ts'],
  testTimeout: 30_000,
  transform: { '\\.ts$': '<rootDir>/jest.transform.js' },
};
