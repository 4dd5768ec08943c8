// A signup: a customer brings a domain or an address, proves that it is theirs, and may send.
// It knows the Amazon SES API and nothing else. Where that is, the SDK finds in the environment.

import {
  AlreadyExistsException,
  BadRequestException,
  CreateEmailIdentityCommand,
  GetEmailIdentityCommand,
  NotFoundException,
  SESv2Client,
} from "@aws-sdk/client-sesv2";

const ses = new SESv2Client({});

/** Registers what the customer typed, and says what to do next. */
export async function register(sender) {
  try {
    const created = await ses.send(new CreateEmailIdentityCommand({ EmailIdentity: sender }));
    if (created.IdentityType === "EMAIL_ADDRESS") {
      return { next: `follow the link in the mail to ${sender}`, records: [] };
    }
    const { Tokens: tokens, SigningHostedZone: zone } = created.DkimAttributes;
    const records = tokens.map((token) => ({
      name: `${token}._domainkey.${sender}`,
      type: "CNAME",
      value: `${token}.${zone}`,
    }));
    return { next: "publish these records", records };
  } catch (error) {
    if (error instanceof AlreadyExistsException) return { problem: `${sender} is registered already` };
    if (error instanceof BadRequestException) return { problem: error.message };
    throw error;
  }
}

/** Says whether the customer may send from there, and if not, what is wrong. */
export async function standing(sender) {
  try {
    const identity = await ses.send(new GetEmailIdentityCommand({ EmailIdentity: sender }));
    return {
      maySend: identity.VerifiedForSendingStatus,
      status: identity.VerificationStatus,
      problem: identity.VerificationInfo?.ErrorType ?? null,
    };
  } catch (error) {
    if (error instanceof NotFoundException) return { problem: `${sender} is not registered` };
    throw error;
  }
}
