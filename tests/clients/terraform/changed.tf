# The second apply, when the records of the domains are published: whatever can change has changed, what was
# bare has options and the other way round, and the data sources read what is there.

resource "aws_ses_domain_identity" "shop" {
  domain = "shop.example.com"
}

resource "aws_ses_domain_identity_verification" "shop" {
  domain = aws_ses_domain_identity.shop.id
  timeouts {
    create = "1m"
  }
}

resource "aws_ses_domain_dkim" "shop" {
  domain = aws_ses_domain_identity.shop.domain
}

resource "aws_ses_domain_mail_from" "shop" {
  domain                 = aws_ses_domain_identity.shop.domain
  mail_from_domain       = "bounces.${aws_ses_domain_identity.shop.domain}"
  behavior_on_mx_failure = "RejectMessage"
}

resource "aws_ses_email_identity" "ann" {
  email = "ann@example.org"
}

resource "aws_ses_identity_notification_topic" "shop" {
  for_each = toset(["Bounce", "Complaint"])

  identity          = aws_ses_domain_identity.shop.arn
  topic_arn         = "${local.topics}:${lower(each.key)}"
  notification_type = each.key
}

resource "aws_ses_identity_policy" "shop" {
  identity = aws_ses_domain_identity.shop.arn
  name     = "others"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "nobody"
      Effect    = "Deny"
      Principal = "*"
      Action    = "*"
      Resource  = aws_ses_domain_identity.shop.arn
      Condition = { StringNotLike = { "ses:FromAddress" = "news@*" } }
    }]
  })
}

resource "aws_ses_configuration_set" "full" {
  name = "v1-full"
}

resource "aws_ses_configuration_set" "bare" {
  name                       = "v1-bare"
  reputation_metrics_enabled = true
  sending_enabled            = false
  delivery_options {
    tls_policy = "Optional"
  }
}

# The provider only ever updates tracking options, which a set has to have by then: SES refuses that too.
resource "aws_ses_configuration_set" "tracked" {
  name = "v1-tracked"
  tracking_options {
    custom_redirect_domain = "click.${aws_ses_domain_identity_verification.shop.domain}"
  }
}

resource "aws_sesv2_configuration_set" "full" {
  configuration_set_name = "v2-full"
}

resource "aws_sesv2_configuration_set" "bare" {
  configuration_set_name = "v2-bare"
  delivery_options {
    tls_policy = "OPTIONAL"
  }
  suppression_options {
    suppressed_reasons = ["BOUNCE", "COMPLAINT"]
  }
  tracking_options {
    custom_redirect_domain = "click.${aws_ses_domain_identity_verification.shop.domain}"
    https_policy           = "REQUIRE"
  }
  vdm_options {
    guardian_options {
      optimized_shared_delivery = "DISABLED"
    }
  }
  tags = { team = "shop" }
}

resource "aws_sesv2_configuration_set" "quiet" {
  configuration_set_name = "v2-quiet"
  suppression_options {
    suppressed_reasons = ["COMPLAINT"]
  }
}

resource "aws_sesv2_email_identity" "easy" {
  email_identity = "easy.example.com"
  dkim_signing_attributes {
    next_signing_key_length = "RSA_1024_BIT"
  }
  tags = { team = "shop" }
}

resource "aws_sesv2_email_identity" "own_key" {
  email_identity         = "own-key.example.com"
  configuration_set_name = aws_sesv2_configuration_set.bare.configuration_set_name
  dkim_signing_attributes {
    domain_signing_private_key = var.private_key
    domain_signing_selector    = "other"
  }
}

resource "aws_sesv2_email_identity" "short" {
  email_identity = "short.example.com"
  dkim_signing_attributes {
    next_signing_key_length = "RSA_1024_BIT"
  }
}

resource "aws_sesv2_email_identity" "bob" {
  email_identity = "bob@example.net"
  tags           = { team = "shop" }
}

resource "aws_sesv2_email_identity_feedback_attributes" "easy" {
  email_identity           = aws_sesv2_email_identity.easy.email_identity
  email_forwarding_enabled = true
}

resource "aws_sesv2_email_identity_mail_from_attributes" "easy" {
  email_identity = aws_sesv2_email_identity.easy.email_identity
}

resource "aws_sesv2_email_identity_policy" "easy" {
  email_identity = aws_sesv2_email_identity.easy.email_identity
  policy_name    = "others"
  policy = jsonencode({
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cognito-idp.amazonaws.com" }
      Action    = ["ses:Send*"]
      Resource  = aws_sesv2_email_identity.easy.arn
    }]
  })
}

data "aws_ses_domain_identity" "shop" {
  domain = aws_ses_domain_identity.shop.domain
}

data "aws_ses_email_identity" "ann" {
  email = aws_ses_email_identity.ann.email
}

data "aws_sesv2_configuration_set" "bare" {
  configuration_set_name = aws_sesv2_configuration_set.bare.configuration_set_name
}

data "aws_sesv2_email_identity" "easy" {
  email_identity = aws_sesv2_email_identity.easy.email_identity
}

data "aws_sesv2_email_identity_mail_from_attributes" "easy" {
  email_identity = aws_sesv2_email_identity_mail_from_attributes.easy.email_identity
}

output "read" {
  value = {
    domain            = data.aws_ses_domain_identity.shop
    address           = data.aws_ses_email_identity.ann
    configuration_set = data.aws_sesv2_configuration_set.bare
    identity          = data.aws_sesv2_email_identity.easy
    mail_from         = data.aws_sesv2_email_identity_mail_from_attributes.easy
  }
}
