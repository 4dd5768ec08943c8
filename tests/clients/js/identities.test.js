// AWS SDK for JavaScript v3, with nothing but the environment of `indicia env`, against a sandbox.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import {
  GetIdentityDkimAttributesCommand,
  GetIdentityVerificationAttributesCommand,
  ListIdentitiesCommand,
  SESClient,
  VerifyDomainDkimCommand,
  VerifyDomainIdentityCommand,
  VerifyEmailIdentityCommand,
  DeleteIdentityCommand,
  paginateListIdentities,
  waitUntilIdentityExists,
} from "@aws-sdk/client-ses";
import {
  AlreadyExistsException,
  BadRequestException,
  CreateEmailIdentityCommand,
  DeleteEmailIdentityCommand,
  GetEmailIdentityCommand,
  ListEmailIdentitiesCommand,
  NotFoundException,
  PutEmailIdentityDkimAttributesCommand,
  PutEmailIdentityDkimSigningAttributesCommand,
  SESv2Client,
  paginateListEmailIdentities,
} from "@aws-sdk/client-sesv2";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const ses = new SESClient({});
const sesv2 = new SESv2Client({});
const publish = (name) => execFileSync("indicia", ["sandbox", "publish", name]);

test("who I am", async () => {
  const answer = await new STSClient({}).send(new GetCallerIdentityCommand({}));

  assert.equal(answer.Account, process.env.EXPECTED_ACCOUNT);
  assert.equal(answer.Arn, `arn:aws:iam::${answer.Account}:root`);
  assert.equal(answer.$metadata.attempts, 1);
});

test("a domain from create to verified to deleted, in version 2", async () => {
  const EmailIdentity = "v2.js.example.com";
  const created = await sesv2.send(
    new CreateEmailIdentityCommand({ EmailIdentity, Tags: [{ Key: "from", Value: "js" }] }),
  );
  const pending = await sesv2.send(new GetEmailIdentityCommand({ EmailIdentity }));
  publish(EmailIdentity);
  const verified = await sesv2.send(new GetEmailIdentityCommand({ EmailIdentity }));
  const listed = await sesv2.send(new ListEmailIdentitiesCommand({ PageSize: 1000 }));
  const deleted = await sesv2.send(new DeleteEmailIdentityCommand({ EmailIdentity }));

  assert.equal(created.IdentityType, "DOMAIN");
  assert.equal(created.DkimAttributes.Tokens.length, 3);
  assert.equal(pending.VerificationStatus, "PENDING");
  assert.deepEqual(pending.Tags, [{ Key: "from", Value: "js" }]);
  assert.equal(verified.VerificationStatus, "SUCCESS");
  assert.equal(verified.VerifiedForSendingStatus, true);
  assert.ok(verified.VerificationInfo.LastCheckedTimestamp instanceof Date);
  assert.ok(Math.abs(verified.VerificationInfo.LastSuccessTimestamp - Date.now()) < 300_000);
  assert.equal(typeof verified.VerificationInfo.SOARecord.SerialNumber, "number");
  assert.ok(verified.DkimAttributes.LastKeyGenerationTimestamp instanceof Date);
  assert.ok(listed.EmailIdentities.some((each) => each.IdentityName === EmailIdentity && each.SendingEnabled));
  assert.equal(deleted.$metadata.httpStatusCode, 200);
});

test("errors of version 2 are the classes of the SDK, and not tried again", async () => {
  const EmailIdentity = "twice.js.example.com";
  await sesv2.send(new CreateEmailIdentityCommand({ EmailIdentity }));
  const thrown = async (command) => {
    try {
      await sesv2.send(command);
    } catch (error) {
      return error;
    }
    throw new assert.AssertionError({ message: "it was answered" });
  };
  const twice = await thrown(new CreateEmailIdentityCommand({ EmailIdentity }));
  const missing = await thrown(new GetEmailIdentityCommand({ EmailIdentity: "missing.js.example.com" }));
  const bad = await thrown(new CreateEmailIdentityCommand({ EmailIdentity: "no domain" }));

  assert.ok(twice instanceof AlreadyExistsException, `${twice}`);
  assert.ok(missing instanceof NotFoundException, `${missing}`);
  assert.ok(bad instanceof BadRequestException, `${bad}`);
  for (const error of [twice, missing, bad]) {
    assert.equal(error.$metadata.attempts, 1);
    assert.ok(error.$metadata.requestId);
    assert.ok(error.message);
  }
});

test("the DKIM calls of version 2", async () => {
  const EmailIdentity = "dkim.js.example.com";
  await sesv2.send(new CreateEmailIdentityCommand({ EmailIdentity }));
  await sesv2.send(new PutEmailIdentityDkimAttributesCommand({ EmailIdentity, SigningEnabled: false }));
  const chosen = await sesv2.send(
    new PutEmailIdentityDkimSigningAttributesCommand({
      EmailIdentity,
      SigningAttributesOrigin: "AWS_SES",
      SigningAttributes: { NextSigningKeyLength: "RSA_1024_BIT" },
    }),
  );
  const read = await sesv2.send(new GetEmailIdentityCommand({ EmailIdentity }));

  assert.equal(chosen.DkimTokens.length, 3);
  assert.equal(read.DkimAttributes.SigningEnabled, false);
  assert.equal(read.DkimAttributes.NextSigningKeyLength, "RSA_1024_BIT");
});

test("version 1: tokens, attributes, the waiter", async () => {
  const Domain = "v1.js.example.com";
  const { VerificationToken } = await ses.send(new VerifyDomainIdentityCommand({ Domain }));
  const { DkimTokens } = await ses.send(new VerifyDomainDkimCommand({ Domain }));
  publish(Domain);
  const waited = await waitUntilIdentityExists(
    { client: ses, maxWaitTime: 10, minDelay: 1, maxDelay: 1 },
    { Identities: [Domain] },
  );
  const verification = await ses.send(new GetIdentityVerificationAttributesCommand({ Identities: [Domain] }));
  const dkim = await ses.send(new GetIdentityDkimAttributesCommand({ Identities: [Domain] }));

  assert.equal(waited.state, "SUCCESS");
  assert.deepEqual(verification.VerificationAttributes[Domain], {
    VerificationStatus: "Success",
    VerificationToken,
  });
  assert.deepEqual(dkim.DkimAttributes[Domain], {
    DkimEnabled: true,
    DkimVerificationStatus: "Success",
    DkimTokens,
  });
});

test("an error of version 1", async () => {
  await assert.rejects(ses.send(new VerifyDomainIdentityCommand({ Domain: "no domain" })), (error) => {
    assert.equal(error.name, "InvalidParameterValue");
    assert.equal(error.$fault, "client");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.equal(error.$metadata.attempts, 1);
    return true;
  });
});

test("the paginators of both versions go through everything once", async () => {
  const names = Array.from({ length: 5 }, (_, number) => `a${number}@pages.example.com`);
  for (const EmailAddress of names) await ses.send(new VerifyEmailIdentityCommand({ EmailAddress }));
  const ones = [];
  for await (const page of paginateListIdentities({ client: ses, pageSize: 2 }, {})) ones.push(...page.Identities);
  const twos = [];
  for await (const page of paginateListEmailIdentities({ client: sesv2, pageSize: 2 }, {}))
    twos.push(...page.EmailIdentities.map((each) => each.IdentityName));
  for (const Identity of names) await ses.send(new DeleteIdentityCommand({ Identity }));
  const { Identities } = await ses.send(new ListIdentitiesCommand({ IdentityType: "EmailAddress" }));

  assert.deepEqual([...ones].sort(), [...twos].sort());
  assert.equal(new Set(ones).size, ones.length);
  for (const name of names) assert.ok(ones.includes(name) && !Identities.includes(name));
});
