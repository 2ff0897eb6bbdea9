// Generated from contracts/job-message.schema.json by `npm run contracts`. Do not edit.

/**
 * Wakes a worker, which then does the job whose turn it is. The row in `jobs` is the truth: a lost message is sent again, a doubled one finds nothing to do.
 */
export interface JobMessage {
  /**
   * Key of the row in `jobs` that was queued; the worker may be given another.
   */
  job_id: string;
  /**
   * Job type; its parameters are described by jobs/TYPE.schema.json.
   */
  type: string;
}
