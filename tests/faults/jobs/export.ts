/** The real exports, beside the drills' own job type. */
export { handle } from '../../../services/worker/src/jobs/export.ts';
