// Generated from contracts/jobs/export.schema.json by `npm run contracts`. Do not edit.

/**
 * Parameters of a job of type `export`: writes all rows of one kind to a file in object storage.
 */
export interface ExportParams {
  /**
   * What is exported.
   */
  type: "users";
  /**
   * CSV with a header row (RFC 4180), or one JSON object a line.
   */
  format: "csv" | "jsonl";
  /**
   * How the file is compressed.
   */
  compression: "gzip" | "none";
}
