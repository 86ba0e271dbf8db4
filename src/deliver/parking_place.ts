/** Where an event of the stream is in the outbox, and how far on its way there. */
export interface ParkingPlace {
  readonly number: number;
  /** Which look into the outbox it is from; others may have been there since. */
  readonly generation: number;
  /** `unsure`: it could not be written, or it could and nobody knows. */
  state: "writing" | "unsure" | "parked";
  /** The sink has settled it meanwhile. */
  isSettled: boolean;
}
