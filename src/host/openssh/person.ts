/** The person at the terminal. */
export interface Person {
  /** Asks for a passphrase or a PIN without showing it. Empty or undefined if the person gives none. */
  ask(question: string): Promise<string | undefined>
  /** Shows a request, such as to touch a security key. */
  show(line: string): Promise<void>
}

/** The person who answers the questions of ssh. Without one, questions that the inventory does not answer are refused. */
export const person: { present: Person | undefined } = { present: undefined }
