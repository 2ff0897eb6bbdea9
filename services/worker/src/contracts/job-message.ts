// Generated from contracts/job-message.schema.json by `npm run contracts`. Do not edit.

/**
 * Tells the workers that a job waits in PostgreSQL. The row in `jobs` is the truth: a lost message is sent again, a doubled one is ignored.
 */
export interface JobMessage {
  /**
   * Key of the row in `jobs`.
   */
  job_id: string;
  /**
   * Job type; its parameters are described by jobs/TYPE.schema.json.
   */
  type: string;
}
