# The records of the domains as modules write them that know the names of SES by heart, whatever the API says
# (cloudposse, trussworks, PostHog and many more).

locals {
  region = "us-east-1"
}

output "records" {
  value = concat(
    [
      {
        name   = "_amazonses.${aws_ses_domain_identity.shop.domain}"
        type   = "TXT"
        values = [aws_ses_domain_identity.shop.verification_token]
      },
      {
        name   = aws_ses_domain_mail_from.shop.mail_from_domain
        type   = "MX"
        values = ["10 feedback-smtp.${local.region}.amazonses.com"]
      },
      {
        name   = aws_ses_domain_mail_from.shop.mail_from_domain
        type   = "TXT"
        values = ["v=spf1 include:amazonses.com -all"]
      },
    ],
    [
      for token in aws_ses_domain_dkim.shop.dkim_tokens : {
        name   = "${token}._domainkey.${aws_ses_domain_identity.shop.domain}"
        type   = "CNAME"
        values = ["${token}.dkim.amazonses.com"]
      }
    ],
    [
      for token in aws_sesv2_email_identity.easy.dkim_signing_attributes[0].tokens : {
        name   = "${token}._domainkey.${aws_sesv2_email_identity.easy.email_identity}"
        type   = "CNAME"
        values = ["${token}.dkim.amazonses.com"]
      }
    ],
  )
}
