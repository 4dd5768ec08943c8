// nodemailer's SES transport, which finds everything in the environment.
import assert from "node:assert/strict";

import { SendEmailCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import nodemailer from "nodemailer";

const sesClient = new SESv2Client({ maxAttempts: 1 });
const transport = nodemailer.createTransport({ SES: { sesClient, SendEmailCommand } });
const notBuilt = (error) => {
  assert.equal(error.name, "NotImplementedException");
  assert.equal(error.$metadata.httpStatusCode, 501);
  assert.match(error.message, /SendEmail/);
  return true;
};

// `verify` tries to send a mail that SES rejects; what is not built yet is no rejection.
await assert.rejects(transport.verify(), notBuilt);
await assert.rejects(
  transport.sendMail({ from: "ada@node.example", to: "bob@node.example", subject: "Hello", text: "A text." }),
  notBuilt,
);
console.log("all is well");
